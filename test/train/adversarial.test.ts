import { testAdversarial } from '../support/adversarial.js'

testAdversarial('wasm', { skip: false })
