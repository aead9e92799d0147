import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** What `uprez setup` fetches. */
type Part = 'cuda' | 'features' | 'tensorflow' | 'webgpu'

/** A checkout has its sources beside what was built of them; the package has not, nor the script that builds first. */
const inCheckout = existsSync(fileURLToPath(new URL('../tsconfig.json', import.meta.url)))

/** The command that brings what npm brings. */
export const installCommand = inCheckout ? 'npm ci' : 'npm install uprez'

/** The command that sets up an optional part, as one types it where this program stands: for messages. */
export function setupCommand(part: Part): string {
  return inCheckout ? `npm run setup -- ${part}` : `npx uprez setup ${part}`
}
