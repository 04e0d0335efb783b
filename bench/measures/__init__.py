"""The parts of which benchmarks are put together: each measures one thing and hands back figures.

Who judges a figure against a target is the benchmark (`bench/spine.py`); what is here only measures, so that another
benchmark may measure the same thing at another size.
"""
