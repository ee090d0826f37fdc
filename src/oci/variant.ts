/**
 * How much older an offered variant is than the wanted one: 0 for the same, more for older ones, undefined when a machine of
 * the wanted variant does not run it. Both are normalised (see `normalizePlatform`).
 *
 * The rules are those of containerd's platforms library: amd64 runs its older levels down to v1, arm down to v5, arm64/v9.x
 * runs v9 up to x and v8 up to x+5 (v8.9 at most), arm64/v8.x runs v8 up to x. Other architectures (`power10`, `rva22u64`) are
 * compared by the number in the variant, and an image without one runs on all.
 */
export function variantDistance(architecture: string, wanted: string, offered: string): number | undefined {
  if (wanted === offered) return 0;
  if (architecture === "amd64") return levelDistance(wanted || "v1", offered || "v1", 1);
  if (architecture === "arm") return levelDistance(wanted, offered, 5);
  if (architecture === "arm64") return arm64Distance(wanted || "v8", offered || "v8");
  return offered === "" ? NO_REQUIREMENT : numberedDistance(wanted, offered);
}

/** Further away than any numbered variant that exists. */
const NO_REQUIREMENT = 1000;

/** Armv8 ends at v8.9; what came later is in Armv9. */
const LAST_ARMV8_MINOR = 9;

function levelDistance(wanted: string, offered: string, oldest: number): number | undefined {
  const [from, to] = [levelOf(wanted), levelOf(offered)];
  return from === undefined || to === undefined || to < oldest || to > from ? undefined : from - to;
}

function levelOf(variant: string): number | undefined {
  const match = /^v(\d{1,3})$/.exec(variant);
  return match ? Number(match[1]) : undefined;
}

function arm64Distance(wanted: string, offered: string): number | undefined {
  const [from, to] = [armVersion(wanted), armVersion(offered)];
  if (!from || !to) return undefined;
  if (from.major === to.major) return to.minor > from.minor ? undefined : from.minor - to.minor;
  if (from.major !== 9 || to.major !== 8) return undefined;
  const newest = Math.min(from.minor + 5, LAST_ARMV8_MINOR);
  return to.minor > newest ? undefined : from.minor + 1 + newest - to.minor;
}

function armVersion(variant: string): { readonly major: number; readonly minor: number } | undefined {
  const match = /^v(\d{1,3})(?:\.(\d{1,3}))?$/.exec(variant);
  return match ? { major: Number(match[1]), minor: Number(match[2] ?? 0) } : undefined;
}

function numberedDistance(wanted: string, offered: string): number | undefined {
  const [from, to] = [splitNumber(wanted), splitNumber(offered)];
  if (!from || !to || from.around !== to.around || to.number > from.number) return undefined;
  return from.number - to.number;
}

function splitNumber(variant: string): { readonly around: string; readonly number: number } | undefined {
  const match = /^([a-z_-]*)(\d{1,3})(?!\d)(.*)$/.exec(variant);
  return match ? { around: `${match[1]} ${match[3]}`, number: Number(match[2]) } : undefined;
}
