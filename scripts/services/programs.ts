/** Where each server and client program of the tests comes from; exact versions, so that every machine tests the same. */

/** A program that `go install` builds from the Go module proxy. */
export interface GoProgram {
  readonly from: "go";
  /** The package that holds the main function. */
  readonly path: string;
  /** The module's exact version. */
  readonly version: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly tags?: string;
  /** Debian packages that the build itself needs. */
  readonly buildPackages?: readonly string[];
  /** Whether a program of that name on PATH is no substitute, for example because the system's is too old. */
  readonly exact?: boolean;
}

/** A program of a Debian package. */
export interface DebianProgram {
  readonly from: "debian";
  readonly package: string;
  /** The file's name where it differs from the program's. */
  readonly file?: string;
}

/** Every program, by the name that services and tests use; the slowest builds first, because builds run two at a time. */
export const PROGRAMS = {
  minio: go("github.com/minio/minio", "v0.0.0-20260212201848-7aac2a2c5b7c", { env: { CGO_ENABLED: "0" } }),
  dockerd: go("github.com/moby/moby/v2/cmd/dockerd", "v2.0.0-beta.24", { exact: true }),
  registry: go("github.com/distribution/distribution/v3/cmd/registry", "v3.1.2"),
  versitygw: go("github.com/versity/versitygw/cmd/versitygw", "v1.8.0"),
  containerd: go("github.com/containerd/containerd/v2/cmd/containerd", "v2.4.2", { exact: true }),
  ctr: go("github.com/containerd/containerd/v2/cmd/ctr", "v2.4.2", { exact: true }),
  "containerd-shim-runc-v2": go("github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2", "v2.4.2", {
    exact: true,
  }),
  crane: go("github.com/google/go-containerregistry/cmd/crane", "v0.22.1"),
  regctl: go("github.com/regclient/regclient/cmd/regctl", "v0.11.7"),
  oras: go("oras.land/oras/cmd/oras", "v1.3.6"),
  actionlint: go("github.com/rhysd/actionlint/cmd/actionlint", "v1.7.12"),
  runc: go("github.com/opencontainers/runc", "v1.5.2", {
    env: { CGO_ENABLED: "1" },
    tags: "seccomp",
    buildPackages: ["libseccomp-dev", "pkg-config", "gcc", "libc6-dev"],
    exact: true,
  }),
  "docker-registry": { from: "debian", package: "docker-registry" },
  dockerd20: { from: "debian", package: "docker.io", file: "/usr/sbin/dockerd" },
  htpasswd: { from: "debian", package: "apache2-utils" },
  podman: { from: "debian", package: "podman" },
  skopeo: { from: "debian", package: "skopeo" },
  zsh: { from: "debian", package: "zsh" },
  fish: { from: "debian", package: "fish" },
  shellcheck: { from: "debian", package: "shellcheck" },
  strace: { from: "debian", package: "strace" },
  ruby: { from: "debian", package: "ruby" },
  "mkfs.exfat": { from: "debian", package: "exfatprogs", file: "/usr/sbin/mkfs.exfat" },
  "mount.exfat-fuse": { from: "debian", package: "exfat-fuse", file: "/usr/sbin/mount.exfat-fuse" },
} as const satisfies Record<string, GoProgram | DebianProgram>;

/** One of the programs. */
export type ProgramName = keyof typeof PROGRAMS;

/** Programs that no service needs but that tests call: other tools that must agree with this one. */
export const CLIENTS: readonly ProgramName[] = [
  "crane",
  "regctl",
  "oras",
  "skopeo",
  "zsh",
  "fish",
  "shellcheck",
  "strace",
  "actionlint",
  "ruby",
  "mkfs.exfat",
  "mount.exfat-fuse",
];

function go(path: string, version: string, more: Partial<GoProgram> = {}): GoProgram {
  return { from: "go", path, version, ...more };
}
