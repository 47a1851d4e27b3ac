/** The part of `@jambonz/node-client` that the examples use; the package brings no types. */
declare module '@jambonz/node-client' {
  class WebhookResponse {
    say(options: object): this;
    play(options: object): this;
    gather(options: object): this;
    config(options: object): this;
    hangup(options?: object): this;
    toJSON(): unknown[];
  }
  const client: { WebhookResponse: typeof WebhookResponse };
  export default client;
}
