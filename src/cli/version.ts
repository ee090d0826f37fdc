import project from "../../deno.json" with { type: "json" };

/** The version of s3lo. */
export const VERSION: string = project.version;

/** Where a compiled s3lo comes from. */
export interface Build {
  /** The commit it was made of, whole; with `-dirty` behind it when the checkout had changes. */
  readonly commit: string;
  /** When, as RFC 3339 in UTC: the commit's time, or that of SOURCE_DATE_EPOCH. */
  readonly date: string;
}

let declared: Build | undefined;

/** Tells where this program comes from; the entry point of a compiled s3lo does, before anything runs. */
export function declareBuild(build: Build): void {
  declared = build;
}

/** Where this program comes from; undefined when it runs from source. */
export function build(): Build | undefined {
  return declared;
}

/** What program this is, as reports name it; the JSON of docs/json.md. */
export interface ProgramFacts {
  readonly version: string;
  /** Null when it runs from source, like `build_date`. */
  readonly commit: string | null;
  readonly build_date: string | null;
  readonly deno: string;
  readonly platform: string;
}

/** Tells what program this is. */
export function programFacts(): ProgramFacts {
  return {
    version: VERSION,
    commit: declared?.commit ?? null,
    build_date: declared?.date ?? null,
    deno: Deno.version.deno,
    platform: releasePlatform(),
  };
}

/** The operating system and machine, as release files are named: `linux_amd64`. */
export function releasePlatform(os: string = Deno.build.os, arch: string = Deno.build.arch): string {
  return `${os}_${arch === "x86_64" ? "amd64" : arch === "aarch64" ? "arm64" : arch}`;
}
