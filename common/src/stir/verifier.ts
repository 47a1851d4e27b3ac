import { createHash, type X509Certificate } from 'node:crypto';
import { type CallParties, callParties, type SignedRequest } from './call-parties.js';
import { canonicalNumber, type ToE164 } from './canonical-number.js';
import { type CertificateChain, chainProblem } from './certificate.js';
import type { CertificateCache } from './certificate-cache.js';
import { type IdentityHeader, parseIdentityHeaders } from './identity-header.js';
import {
  expandPassport,
  isSignedBy,
  type ParsedPassport,
  type Passport,
  type PassportParty,
  parsePassport,
} from './passport.js';
import { type StirDiversion, type StirRefusalCode, type StirResult, type StirStatus, stirResult } from './result.js';
import { SeenSignatures } from './seen-signatures.js';
import { coversNumber } from './tn-auth-list.js';

/** What a {@link StirVerifier} judges by. */
export interface StirVerifierOptions {
  certificates: CertificateCache;
  /** Roots that the operator trusts; without any nothing is fetched and nothing can be valid. */
  roots: readonly X509Certificate[];
  /** How long one call may wait for certificates. */
  waitMs: number;
  /** Ms since the epoch. @defaultValue Date.now */
  now?: () => number;
}

/** How far `iat` may be from now (RFC 8224 §6.2 step 4, RFC 8588 §3). */
const FRESH_MS = 60_000;
/** How long a chain's judgement serves: a certificate may be believed for so long after it has expired. */
const RECHECK_MS = 60_000;
/** Diversions that are looked at. */
const MAX_DIVERSIONS = 4;

/** Why a PASSporT is not valid. */
interface Problem {
  status: Exclude<StirStatus, 'valid' | 'none'>;
  code: StirRefusalCode;
  reason: string;
}

const invalid = (code: StirRefusalCode, reason: string): Problem => ({ status: 'invalid', code, reason });
const unverified = (code: StirRefusalCode, reason: string): Problem => ({ status: 'unverified', code, reason });

/** The outcome of the signature's check: the certificate may be known although something else is wrong. */
interface Signature {
  problem: Problem | null;
  chain?: CertificateChain;
}

/** Verifies who calls (RFC 8224 §6.2): PASSporTs of type `shaken`, `div` and without one, ES256, certificates from their URL. */
export class StirVerifier {
  readonly #now: () => number;
  readonly #seen = new SeenSignatures();
  readonly #judged = new WeakMap<CertificateChain, { problem: string | null; atMs: number }>();

  constructor(private readonly options: StirVerifierOptions) {
    this.#now = options.now ?? Date.now;
  }

  /**
   * Takes at most as long as the options let it wait; never rejects.
   *
   * @param toE164 - how who sent the request writes numbers, see {@link canonicalNumber}
   * @param sender - who sent it, for whom no more than so many certificates are fetched at once: a carrier's sid
   */
  async verify(request: SignedRequest, toE164?: ToE164, sender = ''): Promise<StirResult> {
    if (!request.identity?.trim()) return stirResult('none', { code: 428, reason: 'no Identity header' });
    const { headers, unreadable } = parseIdentityHeaders(request.identity);
    const main = headers.find(({ ppt }) => ppt === 'shaken') ?? headers.find(({ ppt }) => ppt === undefined);
    if (!main) {
      return unreadable > 0
        ? stirResult('invalid', { code: 438, reason: 'the Identity header cannot be read' })
        : stirResult('none', { code: 428, reason: 'no Identity header of a known type' });
    }
    const parties = callParties(request, toE164);
    const parsed = this.#parse(main, request, parties);
    if (!parsed.ok) return stirResult('invalid', { code: 438, reason: parsed.reason });
    const { passport } = parsed;
    const diversions = headers
      .filter(({ ppt }) => ppt === 'div')
      .slice(0, MAX_DIVERSIONS)
      .flatMap((header) => readDiversion(header, passport) ?? []);
    // What is about another call even if all diversions are true is not worth a certificate: anybody can name URLs to fetch.
    const hopeless = this.#mismatch(passport, parties, diversions);
    if (hopeless) return this.#result(passport, hopeless, undefined, []);
    // Side by side: each may have to wait for its certificate, all for no longer than one.
    const [signature, div] = await Promise.all([
      this.#check(main, passport, passport.claims.orig, sender),
      Promise.all(diversions.map((diversion) => this.#diversion(diversion, sender))),
    ]);
    const mismatch = this.#mismatch(passport, parties, div);
    const problem = mismatch ?? signature.problem ?? this.#replayed(passport, request);
    return this.#result(passport, problem, signature.chain, div);
  }

  /** Whether what is signed, and rightly, has been used for other calls. Not by the signature: ECDSA lets anybody make a second one of it that is right too. */
  #replayed({ signingInput, claims }: Passport, { callId }: SignedRequest): Problem | null {
    if (callId === undefined) return null;
    const lives = { nowMs: this.#now(), untilMs: claims.iat * 1000 + FRESH_MS };
    if (this.#seen.note(createHash('sha256').update(signingInput).digest('base64'), callId, lives)) return null;
    return invalid(438, 'the same PASSporT came with other calls');
  }

  #parse(header: IdentityHeader, request: SignedRequest, parties: CallParties): ParsedPassport {
    if (!header.isCompact) return parsePassport(header.token);
    if (header.ppt === 'shaken') return { ok: false, reason: 'a shaken PASSporT must be in full form' };
    const signedAtMs = Date.parse(request.date ?? '');
    const dest = parties.to ?? parties.asked;
    if (Number.isNaN(signedAtMs)) return { ok: false, reason: 'a PASSporT in compact form needs a Date header' };
    if (!parties.caller || !dest) return { ok: false, reason: 'caller or called party cannot be read' };
    return expandPassport(
      header.token,
      { alg: header.alg, typ: 'passport', x5u: header.info },
      {
        orig: parties.caller,
        dest: { tn: dest.tn === undefined ? [] : [dest.tn], uri: dest.uri === undefined ? [] : [dest.uri] },
        iat: Math.floor(signedAtMs / 1000),
      },
    );
  }

  /** What the header and its certificate say of the signature; `signer` is whose number it speaks for. */
  async #check(header: IdentityHeader, passport: Passport, signer: PassportParty, sender: string): Promise<Signature> {
    const problem = this.#headerProblem(header, passport);
    if (problem) return { problem };
    const { roots, certificates, waitMs } = this.options;
    if (roots.length === 0) return { problem: unverified(437, 'no trusted roots are configured') };
    const fetched = await certificates.get(passport.header.x5u, waitMs, sender);
    if (!fetched.ok) {
      const isMissing = fetched.kind === 'unavailable';
      return { problem: isMissing ? unverified(436, fetched.reason) : invalid(437, fetched.reason) };
    }
    const { chain } = fetched;
    const untrusted = this.#chainProblem(chain);
    if (untrusted) return { problem: invalid(437, untrusted) };
    if (!isSignedBy(passport, chain.publicKey)) return { chain, problem: invalid(438, 'the signature is wrong') };
    const isCovered = signer.tn === undefined || !chain.tnAuthList || coversNumber(chain.tnAuthList, signer.tn);
    if (!isCovered) return { chain, problem: invalid(437, `the certificate is not for the number ${signer.tn}`) };
    return { chain, problem: null };
  }

  /** What {@link chainProblem} says, remembered for a minute: two signatures and a walk through DER would be done for each call. */
  #chainProblem(chain: CertificateChain): string | null {
    const nowMs = this.#now();
    const known = this.#judged.get(chain);
    if (known && Math.abs(nowMs - known.atMs) < RECHECK_MS) return known.problem;
    const problem = chainProblem(chain, this.options.roots, nowMs);
    this.#judged.set(chain, { problem, atMs: nowMs });
    return problem;
  }

  #headerProblem(header: IdentityHeader, { header: signed, claims }: Passport): Problem | null {
    if (header.alg !== 'ES256' || signed.alg !== 'ES256') return invalid(437, 'the algorithm is not ES256');
    if (header.ppt !== signed.ppt) return invalid(438, 'ppt of the Identity header is not that of the PASSporT');
    if (header.info !== signed.x5u) return invalid(436, 'info of the Identity header is not x5u of the PASSporT');
    const ageMs = this.#now() - claims.iat * 1000;
    if (Math.abs(ageMs) > FRESH_MS) {
      return invalid(403, `the PASSporT was signed ${Math.round(ageMs / 1000)} s ago, more than ${FRESH_MS / 1000}`);
    }
    return null;
  }

  async #diversion({ header, passport, from, to, isValid }: ReadDiversion, sender: string): Promise<StirDiversion> {
    const { problem } = await this.#check(header, passport, { tn: from }, sender);
    return { from, to, isValid: isValid && problem === null };
  }

  /**
   * Whether the PASSporT is about another call: RFC 8224 §6.2 step 3, diversions as RFC 8946 §5. Who is called in fact stands in the Request-URI: To
   * alone would let whoever overhears an Identity call anybody with it. To counts where the Request-URI names no number, or the same one without its country.
   */
  #mismatch({ claims }: Passport, parties: CallParties, diversions: readonly StirDiversion[]): Problem | null {
    const { caller, callerHeader, to, asked } = parties;
    if (!caller || !isSame(claims.orig, caller)) {
      const shown = caller?.tn ?? caller?.uri ?? 'nobody';
      return invalid(
        438,
        `orig ${(claims.orig.tn ?? claims.orig.uri ?? '').slice(0, 64)} is not ${callerHeader} ${shown}`,
      );
    }
    const { tn, uri } = claims.dest;
    const leadsTo = (party: PassportParty | null): boolean => {
      if (party === null) return false;
      const reached = new Set([party.tn ?? party.uri ?? '']);
      // Each valid diversion to a number that is reached leads back to the number before it.
      for (let i = 0; i < diversions.length; i++) {
        for (const diversion of diversions) {
          if (diversion.isValid && reached.has(canonicalClaim(diversion.to)))
            reached.add(canonicalClaim(diversion.from));
        }
      }
      return tn.some((number) => reached.has(canonicalClaim(number))) || uri.some((one) => reached.has(one));
    };
    if (leadsTo(asked)) return null;
    const isSpelling = asked?.tn === undefined || (to?.tn !== undefined && isNationalForm(asked.tn, to.tn));
    if (isSpelling && leadsTo(to)) return null;
    const shown = asked?.tn ?? to?.tn ?? to?.uri ?? asked?.uri ?? 'who is called';
    return invalid(438, `dest ${[...tn, ...uri].join(', ').slice(0, 64)} is not ${shown}`);
  }

  #result(
    { claims }: Passport,
    problem: Problem | null,
    chain: CertificateChain | undefined,
    div: StirDiversion[],
  ): StirResult {
    const { orig, dest, attest, origid, iat } = claims;
    const origin = orig.tn ?? orig.uri;
    const spc = chain?.tnAuthList?.spcs;
    return stirResult(problem?.status ?? 'valid', {
      ...(attest === undefined ? {} : problem ? { claimedAttest: attest } : { attest }),
      ...(origin === undefined ? {} : { orig: origin }),
      dest: [...dest.tn, ...dest.uri],
      ...(origid === undefined ? {} : { origid }),
      iat,
      ...(spc === undefined || spc.length === 0 ? {} : { spc }),
      ...(div.length === 0 ? {} : { div }),
      ...(problem ? { code: problem.code, reason: problem.reason } : {}),
    });
  }
}

/** A diversion as it is claimed; `isValid` says whether it repeats the caller, as RFC 8946 §4.1 demands. */
interface ReadDiversion extends StirDiversion {
  header: IdentityHeader;
  passport: Passport;
}

function readDiversion(header: IdentityHeader, main: Passport): ReadDiversion | null {
  const parsed = header.isCompact ? null : parsePassport(header.token);
  if (!parsed?.ok) return null;
  const { div, dest, orig } = parsed.passport.claims;
  const to = dest.tn[0];
  if (div?.tn === undefined || to === undefined) return null;
  // It is signed for the number that was diverted.
  const isValid = orig.tn === main.claims.orig.tn && orig.uri === main.claims.orig.uri;
  return { header, passport: parsed.passport, from: div.tn, to, isValid };
}

/** Shorter numbers end like many others. */
const SHORTEST_NATIONAL = 7;

/** Whether a number is another one without its country code, with or without a prefix of zeros. */
function isNationalForm(national: string, number: string): boolean {
  const significant = national.replace(/^0+/, '');
  return significant.length >= SHORTEST_NATIONAL && number.endsWith(significant);
}

/** Claims should be canonical already; a plus that some signers leave does no harm. */
const canonicalClaim = (number: string): string => canonicalNumber(number) ?? number;

function isSame(claimed: PassportParty, party: PassportParty): boolean {
  if (claimed.tn !== undefined) return canonicalClaim(claimed.tn) === party.tn;
  return claimed.uri === party.uri;
}
