/** Hands a file to the browser, to be kept under a name. */
export function download(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // Not at once: some browsers read it a moment after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
