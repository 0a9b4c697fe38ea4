"""Captures that never happened: what ``ftwire synth`` writes.

clock    trading time to capture time and to the exchange's own
market   prices, and the messages that tell them
wire     messages to frames, packets and capture files, with what goes wrong on the way

Everything follows from a seed: the same one gives the same bytes.
"""
