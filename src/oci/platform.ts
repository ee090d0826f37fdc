import { clipped, ImageError } from "../errors.ts";
import { Members } from "./json.ts";
import { compareOsVersions, osVersionFits } from "./os_version.ts";
import { variantDistance } from "./variant.ts";

/**
 * What a manifest runs on.
 *
 * Spec: OCI image-spec v1.1.1, image-index.md, "platform"; names as Go's GOOS and GOARCH give them.
 */
export interface Platform {
  /** For example `linux`. */
  readonly os: string;
  /** For example `arm64`. */
  readonly architecture: string;
  /** For example `v7` of `arm`. */
  readonly variant?: string;
  /** For example `10.0.17763.1234` of Windows; member `os.version` in JSON. */
  readonly osVersion?: string;
  /** What the image needs of the operating system, for example `win32k`; member `os.features` in JSON. */
  readonly osFeatures?: readonly string[];
}

const OPERATING_SYSTEMS = new Set(
  "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris wasip1 windows zos"
    .split(" "),
);

const ARCHITECTURES = new Set(
  ("386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc ppc64 ppc64le " +
    "riscv riscv64 s390 s390x sparc sparc64 wasm").split(" "),
);

/**
 * Spellings of architectures that people use, and what they stand for: the architecture, and the variant that the word
 * implies, which then wins over one that is written beside it.
 */
const ARCHITECTURE_ALIASES: ReadonlyMap<string, readonly [architecture: string, variant?: string]> = new Map([
  ["i386", ["386", ""]],
  ["i686", ["386", ""]],
  ["x86_64", ["amd64"]],
  ["x86-64", ["amd64"]],
  ["aarch64", ["arm64"]],
  ["armhf", ["arm", "v7"]],
  ["armel", ["arm", "v6"]],
]);

/** A part of a platform's text: letters, digits, `_`, `.`, `-`. */
const COMPONENT = /^[A-Za-z0-9_.-]+$/;

/** `os`, or `os(version)`, or `os(version+feature+feature)`; version and features may hold `%` escapes. */
const OS_COMPONENT = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?$/;

/**
 * Reads a platform as people write it: `os/architecture[/variant]`, `os(version)/architecture`, or one word, which is an
 * architecture of linux (`arm64`) or an operating system together with `hostArchitecture`.
 *
 * Returns the normalised platform. Throws `invalid-reference`.
 */
export function parsePlatform(text: string, hostArchitecture = "amd64"): Platform {
  const parts = text.trim().split("/");
  const [first = "", second, variant] = parts;
  if (parts.length > 3) throw invalidPlatform(text, "too many parts");
  const osMatch = OS_COMPONENT.exec(first);
  if (!osMatch || parts.slice(1).some((part) => !COMPONENT.test(part))) {
    throw invalidPlatform(text, "an empty part, or a character it cannot have");
  }
  const os = normalizeOs(osMatch[1] ?? "");
  const details = osDetails(osMatch, text);
  if (second !== undefined) {
    return normalizePlatform({ os, architecture: second, ...(variant === undefined ? {} : { variant }), ...details });
  }
  if (OPERATING_SYSTEMS.has(os)) return normalizePlatform({ os, architecture: hostArchitecture, ...details });
  const platform = normalizePlatform({ os: "linux", architecture: first });
  if (ARCHITECTURES.has(platform.architecture)) return platform;
  throw invalidPlatform(text, "neither an operating system nor an architecture that is known");
}

/** Reads several platforms: repeated options, each of which may hold a comma-separated list. Duplicates are dropped. */
export function parsePlatforms(texts: readonly string[], hostArchitecture?: string): Platform[] {
  const platforms = texts.flatMap((text) => text.split(",")).map((text) => parsePlatform(text, hostArchitecture));
  return [...new Map(platforms.map((platform) => [formatPlatform(platform), platform])).values()];
}

/**
 * Reads the `platform` of a descriptor, or of an image config, which has the same members at its top.
 *
 * The result is as written, not normalised. Throws `invalid-input`.
 */
export function parsePlatformObject(value: unknown, what: string): Platform {
  const members = new Members(value, what);
  const variant = members.string("variant");
  const osVersion = members.string("os.version");
  const osFeatures = members.strings("os.features");
  return {
    os: members.string("os") ?? "",
    architecture: members.string("architecture") ?? "",
    ...(variant ? { variant } : {}),
    ...(osVersion ? { osVersion } : {}),
    ...(osFeatures && osFeatures.length > 0 ? { osFeatures } : {}),
  };
}

/**
 * The same platform in the one spelling that comparisons use: lower case, aliases resolved, a variant that is only the
 * default of its architecture left out (`arm64/v8`, `amd64/v1`) or filled in (`arm` is `arm/v7`), os features in order.
 */
export function normalizePlatform(platform: Platform): Platform {
  const spelled = platform.architecture.toLowerCase();
  const [architecture, implied] = ARCHITECTURE_ALIASES.get(spelled) ?? [spelled];
  const variant = normalizeVariant(architecture, implied ?? (platform.variant ?? "").toLowerCase());
  const osFeatures = [...new Set(platform.osFeatures ?? [])].sort();
  return {
    os: normalizeOs(platform.os),
    architecture,
    ...(variant ? { variant } : {}),
    ...(platform.osVersion ? { osVersion: platform.osVersion } : {}),
    ...(osFeatures.length > 0 ? { osFeatures } : {}),
  };
}

/**
 * A platform as people write it: `os/architecture[/variant]`, with os version and features in parentheses where there are
 * some. {@linkcode parsePlatform} reads it back.
 */
export function formatPlatform(platform: Platform): string {
  const details = [platform.osVersion ?? "", ...(platform.osFeatures ?? [])].map(escapeDetail).join("+");
  const os = details === "" ? platform.os : `${platform.os}(${details})`;
  return [os, platform.architecture, platform.variant].filter((part) => part).join("/");
}

/** Whether a platform says anything: configs of artifacts, and of some images, name none. */
export function namesPlatform({ os, architecture }: Platform): boolean {
  return os !== "" && architecture !== "";
}

/**
 * The platform whose images this machine runs: containers on macOS and Windows are linux ones.
 *
 * `os` and `architecture` are as `Deno.build` gives them (`darwin`, `x86_64`).
 */
export function hostPlatform(os: string, architecture: string): Platform {
  const runsLinux = os === "darwin" || os === "windows";
  return normalizePlatform({ os: runsLinux ? "linux" : os, architecture });
}

/** How far a choice may go from the wanted platform; see {@linkcode selectPlatform}. */
export interface SelectOptions {
  /**
   * Whether another architecture that the wanted one can run is good enough (arm64 runs arm, amd64 runs 386). For the
   * choice of a host; a platform that was asked for by name falls back to older variants only.
   */
  readonly otherArchitectures?: boolean;
}

/**
 * Chooses the entry that fits the wanted platform best: the exact variant first, then older variants, then (if allowed)
 * other architectures; among equals the one with most of the wanted os features, then the newest os version, then the first.
 *
 * An entry that needs os features fits a platform that offers them all. One that needs some where the wanted platform names
 * none is taken only where nothing else fits: images are moved here more often than run, and `windows/amd64` should find
 * what there is. Entries without a platform, and those of an unknown one, are never chosen. Undefined when nothing fits.
 */
export function selectPlatform<T extends { readonly platform?: Platform }>(
  entries: readonly T[],
  wanted: Platform,
  options: SelectOptions = {},
): T | undefined {
  const target = normalizePlatform(wanted);
  let best: { readonly entry: T; readonly fit: Fit } | undefined;
  for (const entry of entries) {
    if (!entry.platform) continue;
    const fit = fitOf(normalizePlatform(entry.platform), target, options.otherArchitectures ?? false);
    if (fit && (!best || isBetter(fit, best.fit))) best = { entry, fit };
  }
  return best?.entry;
}

/**
 * The platform among those there that comes nearest to the wanted one, for an error message: the same os and
 * architecture first, then the same architecture, then the same os. Undefined when nothing is alike.
 */
export function nearestPlatform(available: readonly Platform[], wanted: Platform): Platform | undefined {
  const target = normalizePlatform(wanted);
  const score = (platform: Platform) => {
    const other = normalizePlatform(platform);
    return (other.os === target.os ? 2 : 0) + (other.architecture === target.architecture ? 4 : 0) +
      (other.architecture === COMPATIBLE.get(target.architecture)?.[0] ? 1 : 0);
  };
  const known = available.filter((platform) => platform.os !== "unknown" && platform.os !== "");
  const nearest = known.toSorted((left, right) => score(right) - score(left))[0];
  return nearest && score(nearest) > 0 ? nearest : undefined;
}

/** The 32-bit architecture, with its newest variant, that a 64-bit one runs too. */
const COMPATIBLE: ReadonlyMap<string, readonly [architecture: string, variant: string]> = new Map([
  ["arm64", ["arm", "v8"]],
  ["amd64", ["386", ""]],
]);

/** Puts every variant of the own architecture before any of another one. */
const OTHER_ARCHITECTURE = 1_000_000;

/** How well an entry fits; smaller is better in each. */
interface Fit {
  readonly unaskedFeatures: number;
  readonly distance: number;
  readonly askedFeatures: number;
  readonly osVersion: string;
}

/** How a normalised entry fits the normalised target; undefined when it does not. */
function fitOf(entry: Platform, target: Platform, otherArchitectures: boolean): Fit | undefined {
  if (entry.os !== target.os || entry.os === "" || entry.os === "unknown") return undefined;
  if (!osVersionFits(entry.os, target.osVersion, entry.osVersion)) return undefined;
  const distance = distanceOf(entry, target, otherArchitectures);
  if (distance === undefined) return undefined;
  const needed = entry.osFeatures ?? [];
  const offered = new Set(target.osFeatures ?? []);
  if (offered.size > 0 && !needed.every((feature) => offered.has(feature))) return undefined;
  return {
    unaskedFeatures: offered.size > 0 ? 0 : needed.length,
    distance,
    askedFeatures: offered.size > 0 ? needed.length : 0,
    osVersion: entry.osVersion ?? "",
  };
}

function distanceOf(entry: Platform, target: Platform, otherArchitectures: boolean): number | undefined {
  if (entry.architecture === target.architecture) {
    return variantDistance(entry.architecture, target.variant ?? "", entry.variant ?? "");
  }
  const [architecture, variant] = COMPATIBLE.get(target.architecture) ?? [];
  if (!otherArchitectures || architecture !== entry.architecture) return undefined;
  const distance = variantDistance(entry.architecture, variant ?? "", entry.variant ?? "");
  return distance === undefined ? undefined : OTHER_ARCHITECTURE + distance;
}

function isBetter(fit: Fit, than: Fit): boolean {
  const difference = fit.unaskedFeatures - than.unaskedFeatures || fit.distance - than.distance ||
    than.askedFeatures - fit.askedFeatures || compareOsVersions(than.osVersion, fit.osVersion);
  return difference < 0;
}

function normalizeOs(os: string): string {
  const lower = os.toLowerCase();
  return lower === "macos" ? "darwin" : lower;
}

/** The one spelling of a variant, empty where it is the default; `7` becomes `v7`. */
function normalizeVariant(architecture: string, variant: string): string {
  if (!["arm", "arm64", "amd64"].includes(architecture)) return variant;
  const spelled = /^\d/.test(variant) ? `v${variant}` : variant;
  if (architecture === "arm") return spelled || "v7";
  if (architecture === "amd64") return spelled === "v1" ? "" : spelled;
  if (spelled === "v9.0") return "v9";
  return spelled === "v8" || spelled === "v8.0" ? "" : spelled;
}

/** The os version and features between the parentheses of an os part. */
function osDetails(osMatch: RegExpExecArray, text: string): Pick<Platform, "osVersion" | "osFeatures"> {
  try {
    const osVersion = decodeURIComponent(osMatch[2] ?? "");
    const osFeatures = (osMatch[3] ?? "").split("+").slice(1).map((feature) => decodeURIComponent(feature));
    return { ...(osVersion ? { osVersion } : {}), ...(osFeatures.length > 0 ? { osFeatures } : {}) };
  } catch {
    throw invalidPlatform(text, "a broken % escape");
  }
}

/** Escapes what would end a version or feature inside the parentheses. */
function escapeDetail(detail: string): string {
  return detail.replaceAll(/[^A-Za-z0-9_.-]/gu, (character) =>
    [...new TextEncoder().encode(character)]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""));
}

function invalidPlatform(text: string, why: string): ImageError {
  return new ImageError("invalid-reference", `Invalid platform "${clipped(text)}": ${why}`, {
    hint: "Write it as os/architecture[/variant], for example linux/arm64 or linux/arm/v7",
  });
}
