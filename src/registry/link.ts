/**
 * The target of the `next` link in a `Link` header, as it is written there; undefined when there is none. Never throws.
 *
 * Spec: RFC 8288, section 3; OCI distribution-spec v1.1.1, "Listing tags".
 */
export function nextLink(header: string | null): string | undefined {
  const pattern = /[\s,]*<([^>]*)>((?:\s*;\s*[^\s=;,"]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]*))?)*)\s*/y;
  for (let match = pattern.exec(header ?? ""); match; match = pattern.exec(header ?? "")) {
    const [, target = "", parameters = ""] = match;
    if (relations(parameters).includes("next")) return target;
  }
  return undefined;
}

function relations(parameters: string): readonly string[] {
  const rel = /;\s*rel\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))/i.exec(parameters);
  return (rel?.[1] ?? rel?.[2] ?? "").toLowerCase().split(/\s+/);
}
