/** On one line, and without what would steer the terminal: names out of files may hold anything. */
export function oneLine(text: string): string {
  const shown = (char: string) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`
  return text
    .trim()
    .replace(/\s*\n\s*/g, ' ')
    .replace(/\p{Cc}/gu, shown)
}
