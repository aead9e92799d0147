/** Initial weights must not depend on the order in which networks are made, so each weight's seed comes from its name (FNV-1a). */
export function nameSeed(name: string): number {
  let hash = 0x811c9dc5
  for (const character of name) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193)
  return hash >>> 1
}
