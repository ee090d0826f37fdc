/** The list of services. A new one is a `Service` in a file beside this one and an entry here. */
import { docker20, docker29, podman } from "./engines.ts";
import { oldRegistry, privateRegistry, registry, tlsRegistry } from "./registries.ts";
import type { Service } from "./service.ts";
import { minio, tlsMinio, versity } from "./stores.ts";

/** Every service, in the order they are started. */
export const SERVICES: readonly Service[] = [
  registry,
  oldRegistry,
  privateRegistry,
  minio,
  versity,
  tlsRegistry,
  tlsMinio,
  docker20,
  docker29,
  podman,
];
