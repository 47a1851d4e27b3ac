import { readConfig, reportReady, runProcess } from '@ringwire/common';
import { edgeVars } from '@ringwire/common/sip/edge-config.js';
import { openSbcOutbound } from './sbc-outbound.js';

runProcess('sbc-outbound', async (ctx) => {
  const sbc = await openSbcOutbound(ctx, readConfig(edgeVars, ctx.env));
  reportReady({ http: sbc.edge.http.url, httpPort: sbc.edge.http.port, sipAddress: sbc.edge.sipAddress });
  return sbc;
});
