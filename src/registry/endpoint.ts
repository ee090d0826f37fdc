/** Docker Hub, as references name it. */
export const DOCKER_HUB = "docker.io";

/** The host that serves a registry's API: the name in the reference, except for Docker Hub. */
export function apiHost(registry: string): string {
  return registry === DOCKER_HUB ? "registry-1.docker.io" : registry;
}

/**
 * Resolves a URL that a registry gave (`Location`, `Link`) against the one that was asked.
 *
 * A registry behind a TLS proxy may name itself with `http://`: the same host is then asked over https as before.
 * Undefined when it is no http(s) URL.
 */
export function resolveUrl(given: string, asked: string): string | undefined {
  if (!URL.canParse(given, asked)) return undefined;
  const url = new URL(given, asked);
  const base = new URL(asked);
  if (url.protocol !== "https:" && url.protocol !== "http:") return undefined;
  const isSameHost = url.hostname === base.hostname && (url.port === base.port || url.port === "");
  if (base.protocol === "https:" && url.protocol === "http:" && isSameHost) {
    url.protocol = "https:";
    url.port = base.port;
  }
  return url.href;
}

/** A URL with one more query member; what its query holds already stays as it is, letter for letter. */
export function withQuery(url: string, name: string, value: string): string {
  return `${url}${url.includes("?") ? "&" : "?"}${name}=${encodeURIComponent(value)}`;
}
