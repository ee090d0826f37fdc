import type { OptionSpec } from "./command.ts";

/** Options that every command takes. */
export const GLOBAL_OPTIONS: readonly OptionSpec[] = [
  { name: "endpoint", value: "URL", help: "S3 endpoint of your own server (path-style); also AWS_ENDPOINT_URL" },
  { name: "region", value: "REGION", help: "S3 region; by default from the environment, else asked of the bucket" },
  { name: "profile", value: "NAME", help: "AWS profile; also AWS_PROFILE" },
  {
    name: "output",
    short: "o",
    value: "FORMAT",
    choices: ["text", "json", "yaml"],
    help: "Format of the result: text, json or yaml",
  },
  {
    name: "format",
    value: "TEMPLATE",
    help: "The result as a template of the JSON's names: '{{.digest}}', '{{range .platforms}}{{.platform}}\\n{{end}}'",
  },
  { name: "quiet", short: "q", help: "Only results and errors, no notes and no progress" },
  { name: "debug", help: "Log every request and retry on stderr, and the stack of an error" },
  { name: "concurrency", value: "N", help: "Blobs in flight at once (default 10)" },
  { name: "timeout", value: "TIME", help: "Give up after this time (90s, 10m, 1h30m); by default never" },
  {
    name: "ca-cert",
    value: "FILE",
    multiple: true,
    help: "Trust these certificate authorities too (PEM); also SSL_CERT_FILE, SSL_CERT_DIR",
  },
  { name: "docker-host", value: "URL", help: "Address of the daemon; also DOCKER_HOST and docker contexts" },
  { name: "insecure", help: "Do not check TLS certificates" },
  { name: "plain-http", help: "Speak http, not https, to registries" },
  { name: "username", short: "u", value: "NAME", help: "User name for the registry; otherwise that of docker login" },
  { name: "password-stdin", help: "Read the registry's password or token from stdin; also S3LO_PASSWORD" },
  { name: "help", short: "h", help: "Show help" },
  { name: "version", help: "Show the version" },
];

/** Options that choose what is written. */
export const PLATFORM_OPTION: OptionSpec = {
  name: "platform",
  value: "OS/ARCH",
  multiple: true,
  help: "Only these platforms, for example linux/arm64,linux/amd64 (default: all)",
};

/** Options of commands with two sides, each for one of them alone; what is not said of a side is what holds for both. */
export const SIDE_OPTIONS: readonly OptionSpec[] = [
  ...sideOptions("src", "source", []),
  ...sideOptions("dst", "target", ["dest"]),
];

function sideOptions(prefix: string, side: string, otherPrefixes: readonly string[]): readonly OptionSpec[] {
  const options: readonly Omit<OptionSpec, "aliases">[] = [
    { name: "username", value: "NAME", help: `User name for the ${side}'s registry alone` },
    { name: "password-stdin", help: `Read its password from stdin; also S3LO_${prefix.toUpperCase()}_PASSWORD` },
    { name: "plain-http", help: `Speak http, not https, to the ${side}'s registry alone` },
    { name: "endpoint", value: "URL", help: `S3 endpoint of the ${side} alone` },
    { name: "region", value: "REGION", help: `S3 region of the ${side} alone` },
    { name: "profile", value: "NAME", help: `AWS profile for the ${side} alone` },
  ];
  return options.map((option) => ({
    ...option,
    name: `${prefix}-${option.name}`,
    aliases: otherPrefixes.map((other) => `${other}-${option.name}`),
  }));
}
