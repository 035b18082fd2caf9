"""What a run keeps in memory, in closed form, before anything is made.

amount      what one stage keeps, for each ray, sample, parameter; phases; programs
sizes       what a config asks for, in numbers; the devices it lies on
network     what a network and an encoding keep, by their rules
step        a training step
around      the occupancy grid's update, rendering
process     the run around its programs: pictures, state, the process itself; the peak
fit         settings that fit a limit, and what to say where none do
show        the plan as tables
compiled    what the compiler says: the truth that the plan is held against
"""
