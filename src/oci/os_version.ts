/** Windows Server 2022: from this build on, a host runs the containers of every build between it and its own. */
const FIRST_STABLE_WINDOWS_BUILD = 20348;

/**
 * Whether an image of one os version runs where another is wanted; either may be missing, and then nothing is demanded.
 *
 * Windows goes by major, minor and build, as containerd does: before Windows Server 2022 the build must be the same, since
 * then it may be older, down to that release. A wanted version that is no Windows version demands nothing. Elsewhere the two
 * must be equal.
 */
export function osVersionFits(os: string, wanted: string | undefined, offered: string | undefined): boolean {
  if (!wanted || !offered) return true;
  if (os !== "windows") return wanted === offered;
  const host = windowsVersion(wanted);
  if (!host) return true;
  const image = windowsVersion(offered);
  if (!image || image.major !== host.major || image.minor !== host.minor) return false;
  if (host.build < FIRST_STABLE_WINDOWS_BUILD) return image.build === host.build;
  return image.build >= FIRST_STABLE_WINDOWS_BUILD && image.build <= host.build;
}

/** Orders dotted versions by their numbers; missing ones count as 0. Negative when `left` is older. */
export function compareOsVersions(left = "", right = ""): number {
  const [older, newer] = [numbersOf(left), numbersOf(right)];
  for (let index = 0; index < Math.max(older.length, newer.length); index++) {
    const difference = (older[index] ?? 0) - (newer[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

interface WindowsVersion {
  readonly major: number;
  readonly minor: number;
  readonly build: number;
}

function windowsVersion(version: string): WindowsVersion | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,5})(?:\.|$)/.exec(version);
  return match ? { major: Number(match[1]), minor: Number(match[2]), build: Number(match[3]) } : undefined;
}

function numbersOf(version: string): readonly number[] {
  return version.split(".").map((part) => Number.parseInt(part, 10) || 0);
}
