/** A permission that s3lo is compiled with, and what for. */
export interface PermissionGrant {
  readonly name: "read" | "write" | "net" | "env" | "run" | "sys";
  /** The only things it is granted for; without them, for everything of its kind. */
  readonly only?: readonly string[];
  readonly why: string;
  /** The folders of the source that use it. */
  readonly modules: readonly string[];
  /** When a command gives it up before it touches anything. */
  readonly givenUp: string;
}

/** Credential helpers that may be started, by what follows `docker-credential-` in their name. */
export const CREDENTIAL_HELPERS: readonly string[] = [
  "desktop",
  "desktop.exe", // Docker Desktop seen from WSL
  "osxkeychain",
  "secretservice",
  "pass",
  "wincred",
  "wincred.exe",
  "ecr-login",
  "gcloud",
  "gcr",
  "acr-env",
  "acr-linux",
  "doctl",
  "finch",
  "env",
];

/** What the AWS SDK runs a profile's `credential_process` by. */
export function shellOf(os: string): string {
  return os === "windows" ? "cmd.exe" : "/bin/sh";
}

/**
 * Everything that s3lo may do, for one operating system (named as in `Deno.build.os`): the one list that the compiled
 * program, the tests, the installation from source and docs/permissions.md are made of.
 */
export function permissionGrants(os: string = Deno.build.os): readonly PermissionGrant[] {
  return [
    {
      name: "read",
      why:
        "stores in folders, archives, Docker's and AWS's configuration, certificates: all at paths that the user names",
      modules: [
        "src/objects",
        "src/archive",
        "src/registry",
        "src/http",
        "src/engine",
        "src/bytes",
        "src/transports",
        "src/commands",
        "src/cli",
      ],
      givenUp: "never",
    },
    {
      name: "write",
      why:
        "stores in folders, archives, temporary files that archives are unpacked into, and the socket of a Docker engine, which counts as a file",
      modules: ["src/objects", "src/archive", "src/engine", "src/bytes", "src/transports", "src/cli"],
      givenUp: "where only buckets, folders and registries are read and nothing local is the target",
    },
    {
      name: "net",
      why: "registries, S3 and Docker engines: hosts that the user names, and hosts that those refer to",
      modules: ["src/http", "src/objects", "src/registry", "src/engine"],
      givenUp: "by commands that go only where their operands say, where those are local folders or files",
    },
    {
      name: "env",
      why:
        "`AWS_*`, `DOCKER_*`, proxies, `HOME` and a few more; a credential_process gets the whole environment handed on",
      modules: ["src/registry", "src/objects", "src/http", "src/engine", "src/cli"],
      givenUp: "never",
    },
    {
      name: "run",
      only: [...CREDENTIAL_HELPERS.map((name) => `docker-credential-${name}`), shellOf(os)],
      why:
        "credential helpers that Docker's configuration names; the shell by which the AWS SDK runs a profile's credential_process",
      modules: ["src/registry", "@aws-sdk"],
      givenUp: "all but what the configuration on this machine names for the places of this run",
    },
    {
      name: "sys",
      only: ["homedir", "osRelease", "uid"],
      why:
        "the AWS SDK, for identities that are no plain keys: where ~/.aws is when HOME is not set (homedir, uid), and its User-Agent (osRelease); which folder holds rootless Docker's socket (uid)",
      modules: ["@aws-sdk", "src/engine"],
      givenUp: "where neither S3 nor an ECR registry nor a Docker engine takes part",
    },
  ];
}

/**
 * The arguments of `deno run` and `deno compile` that grant exactly this; never a question at the terminal, and no line for
 * each helper that is not installed, which the runtime would else write.
 */
export function permissionFlags(grants: readonly PermissionGrant[] = permissionGrants()): string[] {
  return [
    "--quiet",
    "--no-prompt",
    ...grants.map(({ name, only }) => `--allow-${name}${only ? `=${only.join(",")}` : ""}`),
  ];
}
