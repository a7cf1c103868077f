let skipped = false;

/**
 * Makes a model whose random initial values would be overwritten at once: they are not drawn, and its parameters hold
 * whatever was in memory. The random numbers' state stays as it is.
 */
export function withoutDrawing<T>(build: () => T): T {
  const outer = skipped;
  skipped = true;
  try {
    return build();
  } finally {
    skipped = outer;
  }
}

/** Whether random initial values are drawn, as they are outside of {@link withoutDrawing}. */
export function isDrawing(): boolean {
  return !skipped;
}
