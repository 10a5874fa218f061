"""The lab: small models, tasks made from a seed, and the measurements that reference implementations are held to.

It needs torch (the ``lab`` extra) and stands apart from the catalog: nothing here reads an entry. Nothing here prints.
"""
