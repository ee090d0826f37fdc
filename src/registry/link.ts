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

/**
 * The relation types of one link. Its parameters are walked one by one: a quoted one may hold text that looks like
 * `rel`.
 */
function relations(parameters: string): readonly string[] {
  const parameter = /\s*;\s*([^\s=;,"]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?/y;
  for (let match = parameter.exec(parameters); match; match = parameter.exec(parameters)) {
    const [, name = "", quoted, plain] = match;
    if (name.toLowerCase() === "rel") return (quoted ?? plain ?? "").toLowerCase().split(/\s+/);
  }
  return [];
}
