export interface Report {
  say(text: string): void;
  begin(text: string): void;
  progress(text: string): void;
  end(text: string): void;
}
export declare function seconds(ms: number): string;
export declare function makeReport(options?: {
  out?: { write(text: string): unknown; isTTY?: boolean; columns?: number };
  terminal?: boolean;
  quiet?: boolean;
}): Report;
