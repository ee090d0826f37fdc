/** Scheme of an image in the container daemon, named as skopeo names it. */
export const DAEMON_SCHEME = "docker-daemon:";

/** An image in the container daemon. */
export interface DaemonLocation {
  readonly kind: "daemon";
  /** A name, an ID or a digest, as the daemon takes it. */
  readonly name: string;
  /** As it was written; for messages. */
  readonly text: string;
}

/** Reads `docker-daemon:name`. What is no name there the daemon tells. */
export function parseDaemonLocation(text: string): DaemonLocation {
  return { kind: "daemon", name: text.slice(DAEMON_SCHEME.length), text };
}
