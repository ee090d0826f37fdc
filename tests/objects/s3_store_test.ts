import { serviceTest } from "../support/services.ts";
import { CONTRACT } from "./object_store_contract.ts";
import { s3Kit } from "./s3_kit.ts";

for (const server of ["minio", "versity"] as const) {
  for (const { name, body } of CONTRACT) {
    serviceTest(`S3 store on ${server}: ${name}`, [server], async (addresses) => {
      await using kit = await s3Kit(addresses[server]);
      await body(kit);
    });
  }
}
