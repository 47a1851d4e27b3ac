import type { Logger } from '@ringwire/common/log/logger.js';
import { parseAppMessage } from '../app-message.js';
import { type BridgeContext, describe } from '../bridge-context.js';
import type { ControlClient } from '../control/control-client.js';
import { CommandError } from '../errors.js';
import { MAX_DESTINATIONS, type ProxyPlan, parseTimeout } from './plan.js';

/** `proxy|transactionId|remainInDialog|fullResponse|followRedirects|simultaneous|provisional|final|destination…` */
interface ProxyCommand {
  transactionId: string;
  /** The application wants to see the final responses of the destinations. */
  fullResponse: boolean;
  plan: ProxyPlan;
}

/**
 * Proxies a request for the application that has it to answer. With `fullResponse` the application gets each final response
 * of a destination (`…|||continue`) and `done` when the caller has its answer, else `done` at once.
 * @throws CommandError when the command cannot be followed; the request still waits for its answer then
 */
export function proxyForApplication(
  context: BridgeContext,
  client: ControlClient,
  messageId: string,
  parts: readonly string[],
  text: string,
): void {
  const { transactionId, fullResponse, plan } = readProxyCommand(parts, text, context.logger);
  const pending = context.pendingServers.get(transactionId);
  if (!pending?.transaction.isOpen || pending.client !== client) {
    throw new CommandError(`Unknown transaction id: ${transactionId}`);
  }
  if (pending.dialog) throw new CommandError('a request that belongs to a dialog of the application cannot be proxied');
  context.pendingServers.delete(transactionId);
  const failure = context.proxy.start(pending.transaction, plan, {
    response: (response, peer) => {
      const sip = response.toString();
      if (fullResponse) client.reply(messageId, 'OK', `${describe('network', sip, peer)}|||continue\r\n${sip}`);
    },
    done: () => {
      if (fullResponse) client.reply(messageId, 'OK', 'done');
    },
  });
  if (failure !== undefined) client.reply(messageId, 'NOK', failure);
  else if (!fullResponse) client.reply(messageId, 'OK', 'done');
}

function readProxyCommand(parts: readonly string[], text: string, logger: Logger): ProxyCommand {
  const [transactionId = '', remain, full, follow, forking, provisional = '', final = '', ...destinations] = parts;
  if (destinations.length === 0 || destinations.some((destination) => destination === '')) {
    throw new CommandError('Invalid proxy request: not enough information provided');
  }
  if (destinations.length > MAX_DESTINATIONS) {
    throw new CommandError(`Invalid proxy request: more than ${MAX_DESTINATIONS} destinations`);
  }
  const { headers } = parseAppMessage(text);
  return {
    transactionId,
    fullResponse: full === 'fullResponse',
    plan: {
      destinations,
      recordRoute: remain === 'remainInDialog',
      followRedirects: follow === 'followRedirects',
      simultaneous: forking === 'simultaneous',
      provisionalTimeoutMs: readTimeout('provisionalTimeout', provisional, logger),
      finalTimeoutMs: readTimeout('finalTimeout', final, logger),
      // The caller's Contact is not the proxy's to change.
      headers: headers.filter(([name]) => !/^(contact|m)$/i.test(name)),
    },
  };
}

/** A time-out that cannot be read is none, as for drachtio-server. */
function readTimeout(name: string, text: string, logger: Logger): number | undefined {
  const ms = parseTimeout(text);
  if (ms === undefined && text !== '')
    logger.warn({ [name]: text.slice(0, 40) }, 'proxy: time-out is not like 2s or 500ms');
  return ms;
}
