/** The gid of a decimal string; 0, which no group has, for anything else. */
export function parseGid(text: string): number {
  if (!/^[1-9]\d{0,15}$/.test(text)) return 0;
  const gid = Number(text);
  return Number.isSafeInteger(gid) ? gid : 0;
}
