"""Packages: files that apps come as. How they are opened, which is hostile until shown otherwise, and where they are kept.

It lies below the lifecycle so that drivers use it too: what a driver reads of a chart or template it reads by `opening`,
under the same limits as at the upload.
"""
