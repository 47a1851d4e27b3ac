import type { ExchangeResult, HttpClient } from '../app-client/http-exchange.js';
import type { FeatureServerConfig } from '../config.js';
import type { CallBots } from '../verbs/verb.js';

/** Where vendors are, if not at their usual place: a proxy, a private link, a test. */
export interface BotBases {
  lex?: string;
  dialogflow?: string;
}

/** What the operator says of it. */
export const botBases = ({ LEX_URL, DIALOGFLOW_URL }: FeatureServerConfig): BotBases => ({
  ...(LEX_URL !== undefined && { lex: LEX_URL }),
  ...(DIALOGFLOW_URL !== undefined && { dialogflow: DIALOGFLOW_URL }),
});

/** The way of all calls of a process to the bots of customers; where these may be is for the HTTP client's guard to say. */
export class SessionBots implements CallBots {
  constructor(
    private readonly http: HttpClient,
    private readonly bases: BotBases,
  ) {}

  readonly post = (
    url: URL,
    headers: Readonly<Record<string, string>>,
    body: string,
    signal: AbortSignal,
  ): Promise<ExchangeResult> => this.http.exchange({ url, method: 'POST', headers: { ...headers }, body, signal });

  base(vendor: keyof BotBases, usual: string): string {
    return this.bases[vendor] ?? usual;
  }
}
