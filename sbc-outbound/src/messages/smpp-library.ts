/** The package `smpp` as we use it: PDUs and their transport. Texts are ours to read: its own reader loses what it does not know. */
import smpp from 'smpp';

for (const command of ['submit_sm', 'deliver_sm', 'data_sm']) {
  const text = smpp.commands[command]?.params?.short_message;
  // `short_message` comes as octets from then on, as it does go out.
  if (text !== undefined) delete text.filter;
}
const payload = smpp.tlvs.message_payload;
if (payload !== undefined) delete payload.filter;

export type { PDU, PduFields, Session } from 'smpp';
export default smpp;
