import { readConfig, reportReady, runProcess } from '@ringwire/common';
import { outboundVars } from './config.js';
import { openSbcOutbound } from './sbc-outbound.js';

runProcess('sbc-outbound', async (ctx) => {
  const config = readConfig(outboundVars, ctx.env);
  const sbc = await openSbcOutbound(ctx, config, config);
  reportReady({ http: sbc.edge.http.url, httpPort: sbc.edge.http.port, sipAddress: sbc.edge.sipAddress });
  return sbc;
});
