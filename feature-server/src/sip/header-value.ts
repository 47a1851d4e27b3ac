/** Text that may stand in a SIP header: one line, no control characters, not endless. An edge passes on ASCII alone, so an ellipsis becomes dots. */
export function headerValue(text: string): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .replaceAll('…', '...')
    .trim()
    .slice(0, 200);
}

/** The reason phrase of a final status that we send without one of our own. */
export function reasonPhrase(status: number): string {
  return PHRASES[status] ?? 'Failed';
}

const PHRASES: Readonly<Record<number, string>> = {
  301: 'Moved Permanently',
  302: 'Moved Temporarily',
  305: 'Use Proxy',
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  410: 'Gone',
  480: 'Temporarily Unavailable',
  484: 'Address Incomplete',
  486: 'Busy Here',
  487: 'Request Terminated',
  488: 'Not Acceptable Here',
  500: 'Server Internal Error',
  503: 'Service Unavailable',
  600: 'Busy Everywhere',
  603: 'Decline',
  604: 'Does Not Exist Anywhere',
  606: 'Not Acceptable',
  607: 'Unwanted',
  608: 'Rejected',
};

/** From, To and all headers of a request, as they stand there. */
export const partiesOf = (request: {
  get(name: string): string | undefined;
  headers: Readonly<Record<string, string>>;
}): { from: string; to: string; headers: Readonly<Record<string, string>> } => ({
  from: request.get('From') ?? '',
  to: request.get('To') ?? '',
  headers: { ...request.headers },
});
