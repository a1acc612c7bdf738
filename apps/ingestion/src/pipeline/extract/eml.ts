import PostalMime, { type Address } from 'postal-mime';
import { displayName } from '../text/clean.ts';
import type { TextBuilder } from './builder.ts';
import type { ByteSource } from './byte-source.ts';
import { html } from './html.ts';
import { malformed } from './zip.ts';

/** Reads a part with its own format into the same text. */
export type ReadPart = (name: string, declaredType: string | undefined, bytes: Uint8Array) => Promise<void>;

/** Messages: subject and addresses, the body (the plain one when there are two), then each attachment as a part. */
export async function eml(source: ByteSource, builder: TextBuilder, readPart: ReadPart): Promise<void> {
  builder.budget.textBytes(Math.floor(source.size / 8));
  const bytes = await source.read(0, source.size);
  const mail = await new PostalMime({
    maxNestingDepth: 64,
    maxHeadersSize: 1 << 20,
    attachmentEncoding: 'arraybuffer',
    forceRfc822Attachments: true,
  })
    .parse(bytes)
    .catch((cause) => {
      throw malformed('The message', cause);
    });
  const start = builder.length;
  const lines = [
    ['Subject', mail.subject],
    ['From', people(mail.from ? [mail.from] : [])],
    ['To', people(mail.to)],
    ['Cc', people(mail.cc)],
    ['Date', mail.date],
  ].filter(([, value]) => value);
  builder.append(lines.map(([name, value]) => `${name}: ${value}\n`).join(''));
  if (mail.subject) builder.title ??= mail.subject.slice(0, 500);
  if (builder.depth === 0)
    Object.assign(builder.metadata, {
      from: mail.from,
      to: mail.to,
      date: mail.date,
      messageId: mail.messageId,
      inReplyTo: mail.inReplyTo,
    });
  if (mail.text?.trim()) {
    builder.append(`\n${mail.text.replaceAll('\r\n', '\n').trimEnd()}\n`);
    builder.segment(start, { kind: 'prose' });
  } else {
    builder.segment(start, { kind: 'prose' });
    if (mail.html) {
      builder.gap();
      html(mail.html, builder);
    }
  }
  for (const [index, attachment] of mail.attachments.entries()) {
    builder.budget.entry();
    const name = displayName(attachment.filename ?? `attachment-${index + 1}`);
    // Asked for as bytes above.
    const content = attachment.content as ArrayBuffer | Uint8Array;
    await readPart(name, attachment.mimeType, new Uint8Array(content));
  }
}

function people(addresses: Address[] | undefined): string {
  return (addresses ?? [])
    .slice(0, 100)
    .flatMap((address) => address.group ?? [address])
    .map(({ name, address }) => (name && address ? `${name} <${address}>` : name || address))
    .join(', ');
}
