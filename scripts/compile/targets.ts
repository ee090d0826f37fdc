/** The systems that s3lo is compiled for. */

/** One of them. */
export interface Target {
  /** As release files are named: `linux_amd64`. */
  readonly name: string;
  /** As `deno compile --target` names it. */
  readonly triple: string;
  /** As `Deno.build.os` names it. */
  readonly os: "darwin" | "linux" | "windows";
}

/** Every system; macOS 12 and newer, Linux with glibc 2.31 and newer, Windows 10 and newer. */
export const TARGETS: readonly Target[] = [
  { name: "linux_amd64", triple: "x86_64-unknown-linux-gnu", os: "linux" },
  { name: "linux_arm64", triple: "aarch64-unknown-linux-gnu", os: "linux" },
  { name: "darwin_amd64", triple: "x86_64-apple-darwin", os: "darwin" },
  { name: "darwin_arm64", triple: "aarch64-apple-darwin", os: "darwin" },
  { name: "windows_amd64", triple: "x86_64-pc-windows-msvc", os: "windows" },
];

/** The targets that a comma-separated text names; `all`, or undefined for the one that runs this. */
export function selectTargets(text: string | undefined, host: string = Deno.build.target): readonly Target[] {
  if (text === "all") return TARGETS;
  const names = text?.split(",") ?? [TARGETS.find(({ triple }) => triple === host)?.name ?? host];
  return names.map((name) => {
    const target = TARGETS.find((each) => each.name === name || each.triple === name);
    if (target) return target;
    throw new Error(`No such target "${name}": expected all, ${TARGETS.map((each) => each.name).join(", ")}`);
  });
}

/** The name of its archive in a release: `s3lo_linux_amd64.tar.gz`, for Windows `.zip`. */
export function archiveName(target: Target): string {
  return `s3lo_${target.name}${target.os === "windows" ? ".zip" : ".tar.gz"}`;
}

/** The executable's name before it is packed: `s3lo_windows_amd64.exe`. */
export function executableName(target: Target): string {
  return `s3lo_${target.name}${target.os === "windows" ? ".exe" : ""}`;
}
