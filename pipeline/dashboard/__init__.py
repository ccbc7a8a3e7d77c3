"""The health dashboard: sets, their pages and the runs that learnt from them, as web pages or as one file."""
