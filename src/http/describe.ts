/** Query members that may be shown: they name a thing and grant nothing. */
const HARMLESS_QUERY = new Set([
  "digest",
  "from",
  "mount",
  "n",
  "last",
  "tag",
  "artifactType",
  "service",
  "scope",
  "list-type",
  "prefix",
  "max-keys",
  "start-after",
  "partNumber",
  "uploads",
  "delete",
  "location",
  "platform",
  "names",
  "x-id",
]);

/** A URL as it may be shown: without credentials, and with only those query members that grant nothing. */
export function describeUrl(text: string): string {
  if (!URL.canParse(text)) return "(not a URL)";
  const url = new URL(text);
  const shown = [...url.searchParams].filter(([key]) => HARMLESS_QUERY.has(key)).map(([key, value]) =>
    value === "" ? key : `${key}=${value}`
  );
  const hidden = url.searchParams.size > shown.length;
  const query = [...shown, ...(hidden ? ["…"] : [])].join("&");
  return `${url.protocol}//${url.host}${url.pathname}${query === "" ? "" : `?${query}`}`;
}
