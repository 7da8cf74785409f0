"""Drivers of devices: programs that do the work of steps 5 and 10.

``protocol`` has what a driver reads and writes, ``processes`` runs one for each call.
"""
