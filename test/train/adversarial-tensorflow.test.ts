import { testAdversarial } from '../support/adversarial.js'
import { needsNative } from '../support/native.js'

testAdversarial('tensorflow', needsNative)
