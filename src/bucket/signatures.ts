import { mapPool } from "../bytes/pool.ts";
import { parseJsonObject } from "../oci/json.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import { signaturesPrefix } from "./keys.ts";

/** Largest signature record that is read, in bytes. */
const MAX_RECORD_BYTES = 64 * 1024;

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
  for await (const page of store.list(signaturesPrefix(image, tag))) {
    keys.push(...page.map((object) => object.key).filter((key) => key.endsWith(".json")));
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
