/** Bytes of a zip archive: files stored or deflated, then the directory. */
export function zip(files: Readonly<Record<string, Buffer>>, compressed?: boolean): Buffer;
