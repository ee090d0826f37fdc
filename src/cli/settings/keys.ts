/** Settings by the names of their options, each as it would stand on a command line; several for a list. */
export type SettingValues = ReadonlyMap<string, readonly string[]>;

/** What may be said of single buckets. */
export const BUCKET_KEYS: readonly string[] = [
  "endpoint",
  "region",
  "profile",
  "concurrency",
  "storage-class",
  "sse-kms-key-id",
];

/** What may be said of single registries. */
export const REGISTRY_KEYS: readonly string[] = ["plain-http", "profile"];

/** What the user's file of settings says. */
export interface ConfigFile {
  readonly path: string;
  /** For everything. */
  readonly values: SettingValues;
  /** By a bucket's name or glob, in the order of the file. */
  readonly buckets: ReadonlyMap<string, SettingValues>;
  /** By a registry's host or glob. */
  readonly registries: ReadonlyMap<string, SettingValues>;
  /** What is said of a bucket: the section of its name, else the first glob that matches. */
  bucket(name: string): SettingValues | undefined;
  /** What is said of a registry's host. */
  registry(host: string): SettingValues | undefined;
}
