import { gcmsiv } from '@noble/ciphers/aes.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { describe, expect, test } from 'vitest';
import { kbkdf } from './kbkdf.ts';
import { openKey } from './key-cipher.ts';
import { decodeKeyMessage, encodeKeyMessage } from './key-message.ts';

// NIST CAVP, KDF in counter mode: [PRF=HMAC_SHA256] [CTRLOCATION=BEFORE_FIXED] [RLEN=32_BITS], COUNT 0, 10, 20, 30.
test.each([
  [
    'dd1d91b7d90b2bd3138533ce92b272fbf8a369316aefe242e659cc0ae238afe0',
    '01322b96b30acd197979444e468e1c5c6859bf1b1cf951b7e725303e237e46b864a145fab25e517b08f8683d0315bb2911d80a0e8aba17f3b413faac',
    '10621342bfb0fd40046c0e29f2cfdbf0',
  ],
  [
    'e204d6d466aad507ffaf6d6dab0a5b26152c9e21e764370464e360c8fbc765c6',
    '7b03b98d9f94b899e591f3ef264b71b193fba7043c7e953cde23bc5384bc1a6293580115fae3495fd845dadbd02bd6455cf48d0f62b33e62364a3a80',
    '770dfab6a6a4a4bee0257ff335213f78d8287b4fd537d5c1fffa956910e7c779',
  ],
  [
    'dc60338d884eecb72975c603c27b360605011756c697c4fc388f5176ef81efb1',
    '44d7aa08feba26093c14979c122c2437c3117b63b78841cd10a4bc5ed55c56586ad8986d55307dca1d198edcffbc516a8fbe6152aa428cdd800c062d',
    '29ac07dccf1f28d506cd623e6e3fc2fa255bd60b',
  ],
  [
    'c4bedbddb66493e7c7259a3bbbc25f8c7e0ca7fe284d92d431d9cd99a0d214ac',
    '1c69c54766791e315c2cc5c47ecd3ffab87d0d273dd920e70955814c220eacace6a5946542da3dfe24ff626b4897898cafb7db83bdff3c14fa46fd4b',
    '1da47638d6c9c4d04d74d4640bbd42ab814d9e8cc22f4326695239f96b0693f12d0dd1152cf44430',
  ],
])('derives the key of the NIST counter mode vector %s', (key, fixedInput, output) => {
  expect(bytesToHex(kbkdf(hexToBytes(key), hexToBytes(fixedInput), output.length / 2))).toBe(output);
});

// RFC 8452, appendix C.1, AES-128-GCM-SIV.
test.each([
  ['', '', 'dc20e2d83f25705bb49e439eca56de25'],
  ['0100000000000000', '', 'b5d839330ac7b786578782fff6013b815b287c22493a364c'],
  ['0200000000000000', '01', '1e6daba35669f4273b0a1a2560969cdf790d99759abd1508'],
])('encrypts the RFC 8452 vector %j with additional data %j', (plaintext, additional, result) => {
  const key = hexToBytes('01000000000000000000000000000000');
  const nonce = hexToBytes('030000000000000000000000');
  const cipher = gcmsiv(key, nonce, hexToBytes(additional));
  expect(bytesToHex(cipher.encrypt(hexToBytes(plaintext)))).toBe(result);
  expect(bytesToHex(cipher.decrypt(hexToBytes(result)))).toBe(plaintext);
});

describe('the development credentials of the public source', () => {
  const secret = hexToBytes('4361726e697461732c206c69746572616c6c79206d65616e696e6720226c6974');

  test.each([
    [
      '0135d8598650f8f5cb0f30c34ec2e2bb62793bc28717c8eb6fb577996d50be5f4281b59181095065c5d0f86a2c31ddbe9b597ec62b47ded69782cd',
      '0a086361726e69746173108186ba8d061800',
    ],
    [
      '01ec1dc4339bc4a2c653e70016b1e1dea952bcfd707a0cd49c1bddcdfcd4d4a79bb2d6bdfa2f1493a1937cdb71e984c4a7',
      '108f8cc4a7062200',
    ],
  ])('open: %s', (sealed, message) => {
    const opened = openKey('admin key', secret, hexToBytes(sealed));
    expect(opened).toEqual({ format: 'secretbox', message: hexToBytes(message) });
    const decoded = decodeKeyMessage(hexToBytes(message));
    expect(decoded && bytesToHex(encodeKeyMessage(decoded))).toBe(message);
  });
});

describe('the message of a key', () => {
  test('keeps member 0 and the widest member, and the read-only mark', () => {
    for (const memberId of [0n, 300n, 2n ** 64n - 1n]) {
      const message = { issuedAtSeconds: 1, identity: { kind: 'member', memberId } as const, readOnly: true };
      expect(decodeKeyMessage(encodeKeyMessage(message))).toEqual({ ...message, instanceName: undefined });
    }
  });

  test('skips fields that it does not know', () => {
    expect(
      decodeKeyMessage(
        hexToBytes('1001 1800 3205 0102030405 3801 41 0102030405060708 4d 01020304'.replaceAll(' ', '')),
      ),
    ).toEqual({
      instanceName: undefined,
      issuedAtSeconds: 1,
      identity: { kind: 'member', memberId: 0n },
      readOnly: false,
    });
  });

  test.each([
    ['nothing', ''],
    ['no time of issue', '1800'],
    ['a time of issue of 0', '10001800'],
    ['no identity', '1001'],
    ['a length past the end', '0aff'],
    ['a varint without end', `10${'ff'.repeat(11)}`],
    ['a group', '100118000b'],
    ['a name that is not UTF-8', '0a01ff10011800'],
  ])('is refused with %s', (_, hex) => {
    expect(decodeKeyMessage(hexToBytes(hex))).toBeUndefined();
  });
});
