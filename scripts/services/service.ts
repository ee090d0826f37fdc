/** What a service is: one small file each. */
import type { ServiceName } from "../../tests/support/services.ts";
import type { ProgramName } from "./programs.ts";
import type { Site } from "./site.ts";

/** A real service that tests use. */
export interface Service {
  /** Its name in the tests, which has the variable of its address. */
  readonly name: ServiceName;
  readonly programs: readonly ProgramName[];
  /** Whether it is started only when named after `--with`. */
  readonly onRequest?: boolean;
  /** Whether it needs Linux and root. */
  readonly privileged?: boolean;
  /** Starts it and gives the address, as `SERVICE_VARIABLES` describes it, once it answers. */
  start(site: Site): Promise<string>;
}
