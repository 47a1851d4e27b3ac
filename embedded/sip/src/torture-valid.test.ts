import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { parseNameAddr, parseUri } from './address.js';
import { checkMessage } from './check-message.js';
import { DialogState } from './dialog-state.js';
import type { SipMessage } from './message.js';
import { parseMessage } from './parse-message.js';
import { createResponse } from './response.js';
import { parseCSeq, parseVia } from './via.js';

const folder = new URL('../testdata/rfc4475/valid/', import.meta.url);

function read(file: string): SipMessage {
  const parsed = parseMessage(readFileSync(new URL(file, folder)));
  if (!parsed.ok) throw parsed.error;
  const fault = checkMessage(parsed.message);
  if (fault) throw fault;
  return parsed.message;
}

type Test = { same(found: unknown, wanted: unknown): unknown };

/** RFC 4475 §3.1.1: what each message tests, and that we read it so. */
const VALID: Record<string, [what: string, (message: SipMessage, t: Test) => void]> = {
  'wsinv.dat': [
    'folding, odd spacing and case, empty headers and quoted pairs are read',
    (m, t) => {
      const to = parseNameAddr(m.get('To')!);
      t.same(
        [m.uri, to?.uri, to?.tag],
        ['sip:vivekg@chair-dnrc.example.com;unknownparam', 'sip:vivekg@chair-dnrc.example.com', '1918181833n'],
      );
      t.same(parseNameAddr(m.get('From')!)?.display, 'J Rosenberg \\"');
      t.same(parseNameAddr(m.get('From')!)?.tag, '98asjd8');
      t.same([m.get('Max-Forwards'), m.get('Subject')], ['0068', '']);
      t.same(parseCSeq(m.get('CSeq')!), { seq: 9, method: 'INVITE' });
      t.same(m.get('NewFangledHeader'), 'newfangled value continued newfangled value');
      t.same(m.get('UnknownHeaderWithUnusualValue'), ';;,,;;,;');
      const vias = m.getList('Via').map((via) => parseVia(via));
      t.same(
        vias.map((via) => [via?.transport, via?.host, via?.branch]),
        [
          ['UDP', '192.0.2.2', '390skdjuw'],
          ['TCP', 'spindle.example.com', 'z9hG4bK9ikj8'],
          ['UDP', '192.168.255.111', 'z9hG4bK30239'],
        ],
      );
      const contact = parseNameAddr(m.get('Contact')!);
      t.same([contact?.display, contact?.uri], ['Quoted string ""', 'sip:jdrosen@example.com']);
      t.same(
        [...contact!.params],
        [
          ['newparam', 'newvalue'],
          ['secondparam', ''],
          ['q', '0.33'],
        ],
      );
      t.same(parseNameAddr(m.get('Route')!)?.uri, 'sip:services.example.com;lr;unknownwith=value;unknown-no-value');
      t.same(m.body.length, 150);
    },
  ],
  'intmeth.dat': [
    'every character that a token, a user part and a quoted string may hold is taken',
    (m, t) => {
      t.same(m.method, "!interesting-Method0123456789_*+`.%indeed'~");
      const uri = parseUri(m.uri);
      t.same([uri?.host, uri?.user], ['example.com', "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"]);
      t.same(uri?.password, "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)");
      t.same(parseNameAddr(m.get('To')!)?.display, 'BEL:\u0007 NUL:\0 DEL:\u007f');
      const from = parseNameAddr(m.get('From')!);
      t.same([from?.uri, from?.tag], ['sip:mundane@example.com', "_token~1'+`*%!-."]);
      t.same(from?.params.get("fromparam''~+*_!.-%"), '"работающий"');
      t.same(m.get('Call-ID'), 'intmeth.word%ZK-!.*_+\'@word`~)(><:\\/"][?}{');
      t.same([m.get('Max-Forwards'), m.get("extensionHeader-!.%*+_`'~")], ['255', '\ufeff大停電']);
    },
  ],
  'esc01.dat': [
    'escapes stay as they are: an escaped @ is no separator, an escaped name is another name',
    (m, t) => {
      const uri = parseUri(m.uri);
      t.same([uri?.scheme, uri?.user, uri?.host], ['sip', 'sips%3Auser%40example.com', 'example.net']);
      t.same(parseUri(parseNameAddr(m.get('To')!)!.uri)?.user, '%75se%72');
      t.same(parseUri(parseNameAddr(m.get('From')!)!.uri)?.user, 'I%20have%20spaces');
      const contact = parseUri(parseNameAddr(m.get('Contact')!)!.uri);
      t.same(
        [...contact!.params],
        [
          ['%6c%72', ''],
          ['n%61me', 'v%61lue%25%34%31'],
        ],
      );
    },
  ],
  'escnull.dat': [
    'escaped nulls are part of the user',
    (m, t) => {
      t.same(parseUri(parseNameAddr(m.get('To')!)!.uri)?.user, 'null-%00-null');
      const users = m.getList('Contact').map((contact) => parseUri(parseNameAddr(contact)!.uri)?.user);
      t.same(users, ['%00', '%00%00']);
    },
  ],
  'esc02.dat': [
    'a percent sign outside URIs escapes nothing: neither a method nor a header name',
    (m, t) => {
      t.same(m.method, 'RE%47IST%45R');
      t.same(m.getList('Contact'), ['<sip:alias1@host1.example.com>', '<sip:alias3@host3.example.com>']);
      t.same(m.get('C%6Fntact'), '<sip:alias2@host2.example.com>');
      t.same(parseNameAddr(m.get('To')!)?.display, '%Z%45');
      t.same(parseVia(m.get('Via')!)?.branch, 'z9hG4bK209%fzsnel234');
    },
  ],
  'lwsdisp.dat': [
    'no space is needed between a display name and the bracket',
    (m, t) => {
      const from = parseNameAddr(m.get('From')!);
      t.same([from?.display, from?.uri, from?.tag], ['caller', 'sip:caller@example.com', '323']);
    },
  ],
  'longreq.dat': [
    'long values and many Via lines are read whole',
    (m, t) => {
      const vias = m.getList('Via').map((via) => parseVia(via)?.host);
      t.same(
        [vias.length, vias[0], vias[32], vias[33]],
        [34, 'sip33.example.com', 'sip1.example.com', 'host.example.com'],
      );
      const to = parseUri(parseNameAddr(m.get('To')!)!.uri);
      t.same([to?.port, to?.host], [6000, 'example.com']);
      t.same(/^[0-9]{100,}$/.test(parseNameAddr(m.get('From')!)!.tag!), true);
      t.same(m.body.length, 150);
    },
  ],
  'dblreq.dat': [
    'what follows the first message of a datagram is ignored',
    (m, t) => {
      t.same([m.method, m.body.length, m.get('Call-ID')], ['REGISTER', 0, 'dblreq.0ha0isndaksdj99sdfafnl3lk233412']);
    },
  ],
  'semiuri.dat': [
    'a semicolon in the user part begins no parameter',
    (m, t) => {
      const uri = parseUri(m.uri);
      t.same([uri?.user, uri?.host, uri?.params.size], ['user;par=u%40example.net', 'example.com', 0]);
      t.same(m.getList('Accept').length, 6);
    },
  ],
  'transports.dat': [
    'transports that nobody knows are read',
    (m, t) => {
      const vias = m.getList('Via').map((via) => parseVia(via)?.transport);
      t.same(vias, ['UDP', 'SCTP', 'TLS', 'UNKNOWN', 'TCP']);
    },
  ],
  'mpart01.dat': [
    'a multipart body with binary parts comes through byte for byte',
    (m, t) => {
      t.same([m.body.length, m.body.includes(0), m.body.includes('--7a9cbec02ceef655--')], [553, true, true]);
      t.same(m.toBuffer().subarray(-553), m.body);
    },
  ],
  'unreason.dat': [
    'a reason phrase may hold any text',
    (m, t) => {
      t.same([m.status, m.reason], [200, '= 2**3 * 5**2 но сто девяносто девять - простое']);
    },
  ],
  'noreason.dat': [
    'a reason phrase may be empty',
    (m, t) => {
      t.same([m.status, m.reason], [100, '']);
    },
  ],
};

t.test('RFC 4475: every valid message of the corpus has its case', async (t) => {
  t.same(readdirSync(folder).sort(), Object.keys(VALID).sort());
});

for (const [file, [what, check]] of Object.entries(VALID)) {
  t.test(`RFC 4475: ${file}: ${what}`, async (t) => {
    const message = read(file);
    check(message, { same: (found, wanted) => t.same(found, wanted) });
    const again = parseMessage(message.toBuffer());
    if (!again.ok) throw again.error;
    t.same(again.message.headers, message.headers);
    if (message.isRequest && /INVITE/.test(message.method)) {
      t.ok(DialogState.fromRequest(message, createResponse(message, 200, undefined, 'b')));
    }
  });
}
