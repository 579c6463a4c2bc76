"""Many sites: making, copying, archiving and restoring them, one by one or from a file.

| module  | what it does                                                               |
|---------|----------------------------------------------------------------------------|
| keeping | what one person does to one site                                           |
| reading | YAML with the place of everything in it                                    |
| file    | the YAML file that says how sites should be, and where it is wrong         |
| plan    | what a file would change, frozen and hashed, and the doing of it           |
| export  | writes the file for what is there                                          |
"""
