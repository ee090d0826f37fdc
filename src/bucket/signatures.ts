import { mapPool } from "../bytes/pool.ts";
import { Total } from "../oci/limits.ts";
import { parseJsonObject } from "../oci/json.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import { signaturesPrefix } from "./keys.ts";

/** Largest signature record that is read, in bytes. */
const MAX_RECORD_BYTES = 64 * 1024;

/** Most records that one tag may have. */
const MAX_RECORDS = 1000;

/** A signature record as it lies in the bucket; nothing of it is verified. */
export interface StoredSignature {
  readonly keyRef: string;
  readonly keyId: string;
  readonly signedAt: string;
  readonly digest: string;
}

/** The signature records beside a tag, by key id. A record that cannot be read is left out. */
export async function readSignatures(
  store: ObjectStore,
  image: string,
  tag: string,
): Promise<readonly StoredSignature[]> {
  const keys: string[] = [];
  const total = new Total(`Cannot read the signatures of "${image}:${tag}"`, MAX_RECORDS, "records");
  for await (const page of store.list(signaturesPrefix(image, tag))) {
    const found = page.map((object) => object.key).filter((key) => key.endsWith(".json"));
    total.add(found.length);
    keys.push(...found);
  }
  const records = await mapPool(keys, 8, async (key) => {
    const found = await store.read(key, MAX_RECORD_BYTES);
    return found ? parseRecord(found.bytes, key) : [];
  });
  return records.flat();
}

function parseRecord(bytes: Uint8Array, key: string): StoredSignature[] {
  try {
    const record = parseJsonObject(bytes, key);
    const text = (value: unknown) => typeof value === "string" ? value : "";
    return [{
      keyRef: text(record["keyRef"]),
      keyId: text(record["keyID"]),
      signedAt: text(record["signedAt"]),
      digest: text(record["digest"]),
    }];
  } catch {
    return [];
  }
}
