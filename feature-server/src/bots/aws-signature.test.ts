import t from 'tap';
import { signAws } from './aws-signature.js';

const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const now = new Date('2015-08-30T12:36:00Z');
const sign = (method: string, url: string, headers?: Record<string, string>) => {
  const request = { method, url: new URL(url), body: '', region: 'us-east-1', service: 'service' };
  return signAws({ ...request, ...(headers && { headers }) }, credentials, now).authorization;
};

t.test("a signature is that of AWS' test suite for Signature Version 4", async (t) => {
  const scope = 'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request';
  t.equal(
    sign('GET', 'https://example.amazonaws.com/'),
    `${scope}, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31`,
    'get-vanilla',
  );
  t.equal(
    sign('POST', 'https://example.amazonaws.com/'),
    `${scope}, SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b`,
    'post-vanilla',
  );
  t.equal(
    sign('GET', 'https://example.amazonaws.com/?Param2=value2&Param1=value1'),
    `${scope}, SignedHeaders=host;x-amz-date, Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500`,
    'get-vanilla-query-order-key-case',
  );
});

t.test('the token of temporary credentials goes along, signed', async (t) => {
  const headers = signAws(
    { method: 'POST', url: new URL('https://a.example/'), body: 'x', region: 'eu-west-1', service: 'lex' },
    { ...credentials, sessionToken: 'token' },
    now,
  );
  t.equal(headers['x-amz-security-token'], 'token');
  t.match(headers.authorization, /SignedHeaders=host;x-amz-date;x-amz-security-token/);
  t.notOk(headers.host);
});
