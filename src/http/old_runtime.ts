/**
 * Whether this is a runtime from before Deno 2.9, on which compiled programs may be based: its HTTP client of node's kind
 * takes no connections that were made by others, and knows its certificate authorities without a permission.
 */
export function isOldRuntime(): boolean {
  const [major = 0, minor = 0] = Deno.version.deno.split(".").map(Number);
  return major < 2 || (major === 2 && minor < 9);
}
