import type { BlobReader } from "../bytes/blob_reader.ts";
import type { Digest } from "../oci/digest.ts";

/** The bytes of a blob to be written. */
export interface UploadContent {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /**
   * Opens the bytes from `offset` (default 0). The reader fails before it hands out the last of them when they are not
   * what they should be.
   */
  open(offset?: number): Promise<BlobReader>;
  /** Told of bytes that the registry has taken, less than nothing where they have to be sent again. */
  readonly onSent?: ((count: number) => void) | undefined;
}
