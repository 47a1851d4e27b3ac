import { readConfig, reportReady, runProcess } from '@ringwire/common';
import { edgeVars } from '@ringwire/common/sip/edge-config.js';
import { openSbcInbound } from './sbc-inbound.js';

runProcess('sbc-inbound', async (ctx) => {
  const sbc = await openSbcInbound(ctx, readConfig(edgeVars, ctx.env));
  reportReady({ http: sbc.edge.http.url, httpPort: sbc.edge.http.port, sipAddress: sbc.edge.sipAddress });
  return sbc;
});
