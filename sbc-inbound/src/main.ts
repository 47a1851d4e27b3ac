import { readConfig, reportReady, runProcess } from '@ringwire/common';
import { inboundVars } from './config.js';
import { openSbcInbound } from './sbc-inbound.js';

runProcess('sbc-inbound', async (ctx) => {
  const config = readConfig(inboundVars, ctx.env);
  const sbc = await openSbcInbound(ctx, config, config);
  reportReady({ http: sbc.edge.http.url, httpPort: sbc.edge.http.port, sipAddress: sbc.edge.sipAddress });
  return sbc;
});
