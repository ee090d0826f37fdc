import { decodeBase64 } from "../bytes/base64.ts";
import { describeUrl } from "./describe.ts";

/** Secrets of this run: passwords, tokens, keys. One set for the process, since it has one terminal. */
const secrets = new Set<string>();

/** Shorter values are not looked for: they are parts of too many words. */
const MIN_LENGTH = 6;

/** From this length on a secret is found inside of words too. */
const MIN_INSIDE_LENGTH = 8;

/** What stands in a secret's place. */
const HIDDEN = "…";

/** Remembers a value that must never be shown, whoever quotes it. */
export function keepSecret(value: string | undefined): void {
  if (value === undefined || value.length < MIN_LENGTH) return;
  for (const form of [value, changed(value, encodeURIComponent), changed(value, decodeURIComponent)]) {
    if (form.length >= MIN_LENGTH) secrets.add(form);
  }
}

function changed(text: string, change: (text: string) => string): string {
  try {
    return change(text);
  } catch {
    return text;
  }
}

/** Remembers what the headers of a request prove who one is with: a token, a password, a session of AWS. */
export function keepSecretHeaders(headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) {
    const header = name.toLowerCase();
    if (header === "x-amz-security-token") keepSecret(value);
    if (header !== "authorization") continue;
    const [, scheme = "", rest = ""] = /^(bearer|basic)\s+(.*)$/i.exec(value) ?? [];
    if (rest === "" || secrets.has(rest)) continue;
    keepSecret(rest);
    if (scheme.toLowerCase() === "basic") keepSecret(passwordIn(rest));
  }
}

function passwordIn(basic: string): string | undefined {
  try {
    const text = new TextDecoder().decode(decodeBase64(basic));
    return text.slice(text.indexOf(":") + 1);
  } catch {
    return undefined;
  }
}

/** Names of members whose values are secrets, in queries, forms and JSON. */
const SECRET_NAMES =
  "x-amz-(?:signature|security-token|credential)|awsaccesskeyid|signature|sig|(?:access|refresh|id|identity|session|registry)?_?token|password|passwd|client_secret|secret(?:_?access_?key)?|auth";

const RULES: readonly (readonly [RegExp, string | ((match: string, ...groups: string[]) => string)])[] = [
  [/\b(?:https?|socks5h?):\/\/[^\s"'<>`()\]}]+/gi, (url) => shownUrl(url)],
  [/(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*):[^\s/@]+@/gi, `$1:${HIDDEN}@`],
  [new RegExp(`\\b(${SECRET_NAMES})=[^\\s&"'<>()]+`, "gi"), `$1=${HIDDEN}`],
  [new RegExp(`("(?:${SECRET_NAMES})"\\s*:\\s*")(?:[^"\\\\]|\\\\.)*`, "gi"), `$1${HIDDEN}`],
  // Not the words "basic authentication".
  [/\b([Bb]earer|BEARER|[Bb]asic|BASIC)\s+(?![a-z]+\.?(?:[\s,;:!?)]|$)|realm=)[\w.~+/=-]{6,}/g, `$1 ${HIDDEN}`],
  [/\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?/g, HIDDEN],
  [/\b(?:gh[pousr]_|github_pat_|glpat-|dckr_(?:pat|oat)_|ddp_)[\w-]{16,}/g, HIDDEN],
];

/**
 * A text as it may be shown: without this run's secrets, and without what looks like one. The last step before everything
 * that is printed beside results; all else must not rely on it.
 */
export function redact(text: string): string {
  let shown = text;
  // The longest first: one may hold another.
  for (const secret of [...secrets].sort((left, right) => right.length - left.length)) {
    shown = secret.length >= MIN_INSIDE_LENGTH ? shown.replaceAll(secret, HIDDEN) : withoutWord(shown, secret);
  }
  for (const [pattern, replacement] of RULES) shown = shown.replaceAll(pattern, replacement as string);
  return shown;
}

function shownUrl(text: string): string {
  // What follows a URL in a sentence is not part of it.
  const [, url = text, rest = ""] = /^(.*?)([.,;:!?]*)$/.exec(text) ?? [];
  if (!/[?#@]/.test(url) || !URL.canParse(url)) return text;
  const shown = url.includes("?") || url.includes("#") ? describeUrl(url) : url.replace(/\/\/[^/]*@/, "//");
  return `${shown}${rest}`;
}

function withoutWord(text: string, word: string): string {
  const literal = word.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return text.replaceAll(new RegExp(`(?<![\\w-])${literal}(?![\\w-])`, "g"), HIDDEN);
}
