/** Names of options that mean the same as ours in a tool that people come from: taken, and not shown in the help. */
export const OPTION_ALIASES: Readonly<Record<string, readonly string[]>> = {
  endpoint: ["endpoint-url"],
  debug: ["verbose"],
  concurrency: ["jobs", "image-parallel-copies", "parallel"],
  "ca-cert": ["ca-file", "ca-bundle", "cacert"],
  insecure: ["insecure-skip-tls-verify", "no-verify-ssl"],
  timeout: ["command-timeout"],
  platform: ["platforms"],
  "include-referrers": ["recursive", "referrers"],
  "dry-run": ["dryrun"],
};

/** What to say of options of other tools that mean something else here, or nothing. Without dashes, single letters too. */
const ADVICE: ReadonlyMap<string, string> = new Map([
  ["v", "Pass --debug to see every request and retry, or --version for the version"],
  ["V", "Pass --version"],
  ["j", "Pass --concurrency N"],
  [
    "all",
    "Leave it out: all platforms come along where none is chosen (pull, push: --all-platforms); --all-tags takes every tag",
  ],
  ["multi-arch", "Leave it out: all platforms come along where none is chosen with --platform"],
  ["retries", "Leave it out: what fails for want of the network is tried five times, with growing waits"],
  ["retry", "Leave it out: what fails for want of the network is tried five times, with growing waits"],
  ["retry-times", "Leave it out: what fails for want of the network is tried five times, with growing waits"],
  ["retry-delay", "Leave it out: waits begin at half a second and double, and what a server asks for is obeyed"],
  ["json", "Pass --output json"],
  ["yaml", "Pass --output yaml"],
  ["no-progress", "Pass --quiet; progress is shown on a terminal alone"],
  ["progress", "Leave it out: progress is shown on a terminal; --quiet hides it"],
  ["no-color", "Leave it out: nothing is coloured"],
  ["tls-verify", "Pass --insecure to leave certificates unchecked, or --plain-http for registries without TLS"],
  ["src-tls-verify", "Pass --insecure to leave certificates unchecked, or --plain-http for registries without TLS"],
  ["dest-tls-verify", "Pass --insecure to leave certificates unchecked, or --plain-http for registries without TLS"],
  ["authfile", "Set REGISTRY_AUTH_FILE to that file"],
  ["config", "Set S3LO_CONFIG to a file of settings, or DOCKER_CONFIG to a folder with Docker's config.json"],
  ["os", "Pass --platform OS/ARCH"],
  ["arch", "Pass --platform OS/ARCH"],
  ["override-os", "Pass --platform OS/ARCH"],
  ["override-arch", "Pass --platform OS/ARCH"],
  ["p", "Pass --platform OS/ARCH; passwords come by --password-stdin"],
  ["r", "Pass --include-referrers"],
  ["t", "Name the tag in the reference: NAME:TAG"],
  ["tag", "Name the tag in the reference: NAME:TAG"],
  ["acl", "Set it on the bucket: s3lo writes no access lists"],
  ["sse", "Pass --sse-kms-key-id, or set the encryption on the bucket"],
  ["no-sign-request", "Name a profile, or set keys: buckets are read with an identity"],
  ["preserve-digests", "Leave it out: manifests are copied byte for byte"],
  ["format", "Pass a template such as --format '{{.digest}}'"],
]);

/** What to do instead of an option that s3lo does not know; undefined for names that nobody uses. */
export function foreignOption(typed: string): string | undefined {
  return ADVICE.get(typed.replace(/^--?/, ""));
}
