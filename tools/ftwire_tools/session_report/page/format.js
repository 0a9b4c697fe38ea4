"use strict";
// Numbers, times and sizes as people read them.
{
  const digits = new Intl.NumberFormat("en-US");
  ftwire.count = (value) => digits.format(value);
  ftwire.plural = (value, one, more = `${one}s`) => `${digits.format(value)} ${value === 1 ? one : more}`;

  // A time span in nanoseconds, in the unit that suits it, with three digits.
  ftwire.span = (nanoseconds) => {
    const value = Number(nanoseconds);
    if (value < 0) return `-${ftwire.span(-value)}`;
    for (const [limit, unit, one] of [
      [1e3, "ns", 1],
      [1e6, "µs", 1e3],
      [1e9, "ms", 1e6],
      [60e9, "s", 1e9],
    ]) {
      if (value < limit) return `${trimmed(value / one)} ${unit}`;
    }
    const seconds = Math.round(value / 1e9);
    const [days, hours, minutes] = [
      Math.floor(seconds / 86400),
      Math.floor(seconds / 3600) % 24,
      Math.floor(seconds / 60) % 60,
    ];
    if (days) return hours ? `${days} d ${hours} h` : `${days} d`;
    if (hours) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
    return seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  };
  const trimmed = (value) => String(Number(value.toPrecision(3)));

  // 08:02:33.164004 of a time in nanoseconds, in UTC.
  ftwire.clock = (nanoseconds, places = 6) => {
    if (nanoseconds === null || nanoseconds === undefined) return "–";
    const time = BigInt(nanoseconds);
    if (time === 0n) return "–";
    const of = ((time % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
    const text = new Date(Number((time - of) / 1_000_000n)).toISOString().slice(11, 19);
    return places ? `${text}.${String(of).padStart(9, "0").slice(0, places)}` : text;
  };
  ftwire.day = (nanoseconds) => {
    try {
      return new Date(Number(BigInt(nanoseconds) / 1_000_000n)).toISOString().slice(0, 10);
    } catch {
      return "";
    }
  };
  ftwire.size = (bytes) => {
    if (bytes < 1024) return `${digits.format(bytes)} B`;
    const unit = bytes < 1024 ** 2 ? 1 : bytes < 1024 ** 3 ? 2 : 3;
    return `${trimmed(bytes / 1024 ** unit)} ${["", "KiB", "MiB", "GiB"][unit]}`;
  };
  // A price or a quantity, without noise behind the digits that count.
  const amounts = new Intl.NumberFormat("en-US", { maximumFractionDigits: 10 });
  ftwire.amount = (value) => {
    if (value === null || value === undefined) return "–";
    return amounts.format(Number(Number(value).toPrecision(12)));
  };
}
