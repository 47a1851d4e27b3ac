import { existsSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { ConfigError, optionalText, readConfig } from '@ringwire/common';
import { type CertificateFiles, keepCertificate } from '@ringwire/services';
import { HOST } from './process-plan.js';

/** What browsers elsewhere need of this machine, as the environment says it. */
export interface BrowserEdge {
  /** Where WSS listens. */
  host: string;
  /** The operator's certificate; a self-made one of the data directory without. */
  certificate?: CertificateFiles;
  /** Authorities of the certificates of carriers and others who are connected to over TLS. */
  caFile?: string;
}

const VARIABLES = {
  WEBRTC_ADDRESS: optionalText({
    doc: 'address of this machine for browsers: WSS listens there, media comes from there',
  }),
  WEBRTC_CERT_FILE: optionalText({ doc: 'certificate of WSS with its chain (PEM)' }),
  WEBRTC_KEY_FILE: optionalText({ doc: 'its key (PEM)' }),
  SIP_TLS_CA_FILE: optionalText({
    doc: "authorities of carriers' certificates (PEM), instead of those that Node.js knows",
  }),
};

/**
 * Reads `WEBRTC_ADDRESS`, `WEBRTC_CERT_FILE`, `WEBRTC_KEY_FILE` and `SIP_TLS_CA_FILE`.
 * @throws {ConfigError} naming what is wrong.
 */
export function readBrowserEdge(env: NodeJS.ProcessEnv): BrowserEdge {
  const variables = readConfig(VARIABLES, env);
  const { WEBRTC_ADDRESS: host, WEBRTC_CERT_FILE: certFile, WEBRTC_KEY_FILE: keyFile } = variables;
  const { SIP_TLS_CA_FILE: caFile } = variables;
  const problems: ConfigError['problems'][number][] = [];
  const wrong = (variable: string, value: string | undefined, expected: string): void =>
    void problems.push({ variable, value: value === undefined ? '(not set)' : JSON.stringify(value), expected });
  if (host !== undefined && !isIPv4(host)) wrong('WEBRTC_ADDRESS', host, 'an IPv4 address of this machine');
  for (const [variable, file, other] of [
    ['WEBRTC_CERT_FILE', certFile, 'WEBRTC_KEY_FILE'],
    ['WEBRTC_KEY_FILE', keyFile, 'WEBRTC_CERT_FILE'],
  ] as const) {
    if (file === undefined && (certFile ?? keyFile) !== undefined)
      wrong(variable, file, `a PEM file, as ${other} is set`);
    if (file !== undefined && !existsSync(file)) wrong(variable, file, 'a PEM file that is there');
  }
  if (caFile !== undefined && !existsSync(caFile)) wrong('SIP_TLS_CA_FILE', caFile, 'a PEM file that is there');
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    host: host ?? HOST,
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined || keyFile === undefined ? {} : { certificate: { certFile, keyFile } }),
  };
}

/** The operator's certificate, or a self-made one for every name that this machine's browsers may use. */
export function certificateOf(edge: BrowserEdge, dataDir: string): CertificateFiles {
  return edge.certificate ?? keepCertificate(dataDir, ['localhost', ...new Set([HOST, edge.host])]);
}

/**
 * The address of this machine in its network, for media to a person's browser: browsers leave out loopback candidates.
 * Undefined where there is none.
 */
export function addressOfMachine(): string | undefined {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
}
